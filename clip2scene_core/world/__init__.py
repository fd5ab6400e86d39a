"""The embedded world: a procedural street in nuScenes' format."""
