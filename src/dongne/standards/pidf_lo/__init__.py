"""Where somebody is, as emergency services take it: PIDF-LO (RFC 4119, 5139, 5491), and what is known of who calls (RFC 7852)."""
