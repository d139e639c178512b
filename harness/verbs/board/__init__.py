"""The verbs of `joulebird board`: a board that is reached over ssh."""
