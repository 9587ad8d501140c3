"""What people and programs read: failure texts, the end table, the results file."""
