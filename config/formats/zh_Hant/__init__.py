"""Traditional Chinese as written in Taiwan; the formats stand beside this file, where Django looks."""
