"""The whole database in one file that another stack can take: `amas backup export` and `import`."""
