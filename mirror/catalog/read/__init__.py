"""Answers from the database: hits, facets, pages, leaderboards."""
