package gate

func (s *session) statistic(r Rule) (Check, error) { return nil, s.wrong(r, "no statistics yet") }
