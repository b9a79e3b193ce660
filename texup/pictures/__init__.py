"""Pictures for people: sheets with their lettering, and charts."""
