package export

import (
	"strings"

	"mlx/internal/fault"
)

// crontab writes a line for cron. Cron ends a command at a percent sign unless it is escaped, and has no way to write a
// line end.
func crontab(t Task, site Site, when cron) ([]File, error) {
	if err := onOneLine("crontab", t, site.Root); err != nil {
		return nil, err
	}
	command := "cd " + shellWord(site.Root) + " && " + t.command("-q")
	zone := ""
	if t.zone != "" { // where cron does not know the variable it is one of the command's, and the line means the time of the machine
		zone = "CRON_TZ=" + t.zone + "\n"
	}
	return []File{{"crontab", zone + when.text + "  " + strings.ReplaceAll(command, "%", `\%`) + "\n"}}, nil
}

// systemd writes a service and the timer that starts it.
func systemd(t Task, site Site, when cron) ([]File, error) {
	if err := onOneLine("systemd", t, site.Root); err != nil {
		return nil, err
	}
	unit := "mlx-" + strings.ToLower(t.id())
	head := heading("#", "systemd "+t.ref())
	about := "[Unit]\nDescription=" + unitText(t.title()) + "\n\n"
	words := append([]string{"/usr/bin/env", "mlx", "-C", unitWord(site.Root)}, append(t.words, "-q", "--", unitWord(t.name))...)
	service := head + about + "[Service]\nType=oneshot\nExecStart=" + strings.Join(words, " ") + "\n"
	timer := head + about + "[Timer]\n"
	for _, c := range when.calendars() {
		timer += strings.TrimRight("OnCalendar="+c+" "+t.zone, " ") + "\n"
	}
	timer += "Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
	return []File{{unit + ".service", service}, {unit + ".timer", timer}}, nil
}

func onOneLine(form string, t Task, root string) error {
	if printable(t.name) && printable(root) {
		return nil
	}
	return fault.New(fault.Usage, "cannot export a %s: the %s %q or its folder has control characters in its name, which it cannot hold", form, t.kind, t.name)
}

// unitText is text in which systemd finds no specifier, and no backslash that would join the next line.
func unitText(s string) string { return strings.NewReplacer("%", "%%", `\`, `\\`).Replace(s) }

// unitWord is one argument of a command of systemd.
func unitWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`
}
