"""The rules the sources keep: layers, hot modules, files and their maps, dependencies, vocabularies."""
