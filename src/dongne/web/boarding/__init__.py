"""What people and other systems see of a boarding line: platform displays, a page for phones, and feeds of GTFS."""
