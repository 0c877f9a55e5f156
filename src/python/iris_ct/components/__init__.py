"""What runs in the production: translators between messages and flow steps."""
