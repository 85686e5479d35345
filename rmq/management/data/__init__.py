"""Data exported into files, and imported from them.

transfer  data exported into files and imported from them, while nodes run
archive   what such a file looks like
files     the folder of such files
"""
