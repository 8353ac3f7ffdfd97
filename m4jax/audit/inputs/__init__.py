"""What people have, opened, joined with what tables say, and what is known of each example."""
