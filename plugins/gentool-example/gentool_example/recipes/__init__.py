"""Recipes of this plugin: `gentool train example/gaussians25`, or `extends = "example/gaussians25"`."""
