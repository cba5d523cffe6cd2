"""From a flow to a sound mesh: vertices where they are needed, and no crossing left unsaid."""
