"""Programs for hosts: databases, dumps, backups. Shipped as files; standard library only, Python 3.9+."""
