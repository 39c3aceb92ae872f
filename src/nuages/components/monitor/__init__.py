"""Monitor: what a host writes down about the site for people to look at. Today the facts of the site's own page, where
`[dashboard] path` asks for it."""
