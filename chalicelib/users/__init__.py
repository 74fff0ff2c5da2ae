"""People: profiles and the devices that take their pushes."""
