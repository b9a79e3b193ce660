"""What lies on the disk: the files of a pack, zips, temporary folders, names that every system can hold."""
