"""What happens to the agents when processes, disks, databases, networks and clocks fail, under load from outside."""
