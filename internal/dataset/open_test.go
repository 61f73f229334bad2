package dataset

import (
	"os"
	"testing"
)

// TestUniteNumbers holds that a column whose values happen to be small in one file and large or broken in another is one column.
func TestUniteNumbers(t *testing.T) {
	file := func(name string) File {
		content, err := os.ReadFile("testdata/parquet/ids_" + name + ".parquet")
		if err != nil {
			t.Fatal(err)
		}
		return parquetBytes(name, content)
	}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"small", "large"}, "id uint\n1\n-\n7\n9223373136366403584\n-\n3"},
		{[]string{"large", "small"}, "id uint\n9223373136366403584\n-\n3\n1\n-\n7"},
		{[]string{"small", "real"}, "id float\n1\n-\n7\n0.5\n-"},
		{[]string{"large", "real"}, "id float\n9.223373136366404e+18\n-\n3\n0.5\n-"},
		{[]string{"real", "large", "small"}, "id float\n0.5\n-\n9.223373136366404e+18\n-\n3\n1\n-\n7"},
	} {
		var files []File
		for _, name := range c.files {
			files = append(files, file(name))
		}
		if got := tableText(t, Options{}, files...); got != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.files, got, c.want)
		}
	}
}
