"""Who there is and who may do what, on the wire of the identity API v3."""
