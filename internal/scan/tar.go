package scan

import (
	"archive/tar"
	"errors"
	"io"
)

// counter counts what was read, so that what follows the end of an archive is seen.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// tar judges every member of a tar archive, also the kind that torch wrote in 2016.
func (s *inspection) tar(p place, b blob) (bool, error) {
	in := &counter{r: b.reader()}
	r := tar.NewReader(in)
	names := make(map[string]bool)
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n >= maxMembers {
			s.unclear(p, in.n, "is a broken tar archive")
			return n > 0, nil
		}
		if n == 0 {
			s.format("tar")
		}
		if err := s.tarMember(p, r, h, names); err != nil {
			return true, err
		}
	}
	if !zeros(b.part(in.n, b.size-in.n)) {
		s.unclear(p, in.n, "goes on after the end of the tar archive")
	}
	return true, nil
}

func (s *inspection) tarMember(p place, r io.Reader, h *tar.Header, names map[string]bool) error {
	in := p.member(h.Name, plainFile)
	s.safeName(in, h.Name)
	if names[h.Name] && h.Typeflag != tar.TypeDir {
		s.block(in, 0, "is there twice: the second replaces the first", "")
	}
	names[h.Name] = true
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeSymlink, tar.TypeLink:
		s.safeName(in, h.Linkname)
		s.unclear(in, 0, "is a link to "+h.Linkname+", which was not followed")
		return nil
	case tar.TypeReg:
		return s.expand(in, r, func(out blob) error { return s.judge(in, out) })
	}
	s.unclear(in, 0, "is neither a file nor a folder")
	return nil
}

// zeros says whether a blob holds nothing but zero bytes.
func zeros(b blob) bool {
	c := newCursor(b, 0)
	for c.left() > 0 {
		p, err := c.take(int(min(window, c.left())))
		if err != nil {
			return false
		}
		for _, x := range p {
			if x != 0 {
				return false
			}
		}
	}
	return true
}
