package router

func childRouter() {}
func childModel()  {}
