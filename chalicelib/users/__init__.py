"""Users: profiles, and the devices that get pushes."""
