"""Where rows and specifications come from: files, the inbox folder, model files."""
