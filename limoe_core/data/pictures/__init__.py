"""Picture files and pictures of Pillow as upright RGB or RGBA, the only way in for either."""
