"""What must be written exactly as Go writes it: JSON, times, templates."""
