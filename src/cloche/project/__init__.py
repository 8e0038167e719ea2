"""Layer 5, project: finds the project and joins settings, store, catalog and Git. Holds no verbs."""
