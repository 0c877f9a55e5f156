"""One public function per arrow of the picture: gather, call the core, record."""
