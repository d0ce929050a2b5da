"""What a node is: its life, its process, and what it tells of its health."""
