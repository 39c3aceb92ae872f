"""The software that fills each role. A folder is a role, a file in it an alternative; `registry` lists them."""
