"""Pictures for people: sheets, charts and their lettering."""
