package tracking
import "context"
func (s *Server) Close(context.Context) error { return nil }
