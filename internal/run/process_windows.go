package run

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

// bootID is constant: Windows counts processes in one space, and the start time below tells two boots apart.
func bootID() string { return "windows" }

func startOf(pid int) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	var code uint32
	const stillActive = 259
	if windows.GetExitCodeProcess(h, &code) != nil || code != stillActive {
		return ""
	}
	var began, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &began, &ended, &kernel, &user); err != nil {
		return ""
	}
	return strconv.FormatInt(began.Nanoseconds(), 10)
}

// highWater is not known on this system.
func highWater(int) int64 { return 0 }

func memory() int64 {
	type memoryStatus struct {
		length, load                                        uint32
		total, free, totalPage, freePage, virtual, freeVirt uint64
		extended                                            uint64
	}
	status := memoryStatus{}
	status.length = uint32(unsafe.Sizeof(status))
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := call.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return int64(status.total)
}

// cpuModel is left unknown: it stands only in the registry.
func cpuModel() string { return "" }
