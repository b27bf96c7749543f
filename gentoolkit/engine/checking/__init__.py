"""Looking a recipe over at its real size before anything starts: shapes, parameters, operations, memory."""
