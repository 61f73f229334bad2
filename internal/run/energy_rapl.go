package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// powercap is where Linux shows the energy counters of processors.
const powercap = "/sys/class/powercap"

// rapl is the energy counters of the processor packages of this machine. They count in microjoules, begin anew at a range that each of them
// tells, and are often root's alone.
type rapl struct {
	packages []raplPackage
	denied   string // file that may not be read
}

type raplPackage struct {
	file       string
	most, last uint64 // microjoules
	sum        uint64
	lost       bool // it could not be read once, so that nobody knows how often it began anew
}

// ofPackage says whether a folder is that of a package: those of parts of one have two numbers.
func ofPackage(folder string) bool {
	number, ok := strings.CutPrefix(folder, "intel-rapl:")
	_, err := strconv.ParseUint(number, 10, 16)
	return ok && err == nil
}

// mostPackages bounds what is read.
const mostPackages = 64

// openRAPL takes the first reading. Nothing is found where there are no counters.
func openRAPL(root string) *rapl {
	r := &rapl{}
	dir, err := os.Open(root)
	if err != nil {
		return r
	}
	names, _ := dir.Readdirnames(4 * mostPackages) // what was read counts
	_ = dir.Close()
	for _, name := range names {
		if !ofPackage(name) || len(r.packages) == mostPackages {
			continue
		}
		at := filepath.Join(root, name)
		if kind, err := os.ReadFile(filepath.Join(at, "name")); err != nil || !strings.HasPrefix(string(kind), "package") {
			continue // psys counts the packages a second time
		}
		p := raplPackage{file: filepath.Join(at, "energy_uj")}
		p.last, err = counterIn(p.file)
		if errors.Is(err, fs.ErrPermission) {
			r.denied = p.file
		}
		if err != nil {
			continue
		}
		p.most, _ = counterIn(filepath.Join(at, "max_energy_range_uj")) // 0: nobody can tell when it has begun anew
		r.packages = append(r.packages, p)
	}
	return r
}

func counterIn(file string) (uint64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// read adds what was used since the last reading.
func (r *rapl) read() {
	for i := range r.packages {
		p := &r.packages[i]
		now, err := counterIn(p.file)
		switch {
		case err != nil || now < p.last && p.most < p.last:
			p.lost = true
		case now < p.last:
			p.sum += p.most - p.last + now
		default:
			p.sum += now - p.last
		}
		p.last = now
	}
}

// often is how often they have to be read so that no counter begins anew twice in between; 0: there is nothing to read.
func (r *rapl) often() time.Duration {
	const most = 1000 // watts that one package may draw
	var often time.Duration
	for _, p := range r.packages {
		if d := time.Duration(p.most/most) * time.Microsecond; p.most > 0 && (often == 0 || d < often) {
			often = max(d, time.Second)
		}
	}
	return often
}

// drawn is what was used between the first reading and the last.
func (r *rapl) drawn() []Drawn {
	if r.denied != "" {
		return []Drawn{{Of: DrawnCPU, Missing: "CPU: " + r.denied + " may be read by root only"}}
	}
	sum, n := uint64(0), 0
	for _, p := range r.packages {
		if p.lost {
			return []Drawn{{Of: DrawnCPU, Missing: "CPU: " + p.file + " could not be read throughout"}}
		}
		sum += p.sum
		n++
	}
	if n == 0 {
		return nil
	}
	words := "RAPL, the whole package"
	if n > 1 {
		words = "RAPL, the whole of " + strconv.Itoa(n) + " packages"
	}
	return []Drawn{{Of: DrawnCPU, Joules: float64(sum) / 1e6, Method: words}}
}
