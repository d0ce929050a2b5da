"""What a node is: its life, its process, its executor, and what it tells of its health."""
