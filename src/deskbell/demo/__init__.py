"""A demo organization, so that a new installation has something to show. All of it is made up."""
