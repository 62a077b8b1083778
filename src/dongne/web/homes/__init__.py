"""What is known of people in their homes, on pages: for staff, for a relative, and at the home itself."""
