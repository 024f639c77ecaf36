"""The library's functions, by image name: copy, inspect, list tags, tag, delete."""
