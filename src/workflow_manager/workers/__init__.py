"""The far side: what runs the tasks that AWS hands out."""
