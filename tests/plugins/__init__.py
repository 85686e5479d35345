"""Tests of the plugins that ship with rmq, one folder or file each."""
