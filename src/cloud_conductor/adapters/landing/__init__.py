"""Places where exports land (ports.landing.LandingPlace)."""
