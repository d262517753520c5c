"""Help where it is needed: a text for each page and section of the editor, and the guide they make."""
