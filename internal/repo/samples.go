package repo

// Sample is what stands in for an input. It has exactly one subject: Path, Cmd or Rows.
type Sample struct {
	Path string `yaml:"path" group:"Subjects" doc:"A file or folder of the project that is taken instead."`
	Cmd  string `yaml:"cmd" group:"Subjects" doc:"A command that makes it, at the path in $MLX_SAMPLE."`
	Rows int    `yaml:"rows" group:"Subjects" doc:"The first rows of every table in it: CSV, TSV or JSON lines."`
}
