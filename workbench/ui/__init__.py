"""The page: one file per tab, upon the look (theme, families), the pieces (parts) and the controls that draw them."""
