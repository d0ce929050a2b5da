"""The graph as a whole: started, watched, stopped and measured."""
