package cli

import "charm.land/lipgloss/v2"

// paint colours s by its role. Only the 16 colours of the terminal's own theme are used.
func paint(color bool, role Role, s string) string {
	if !color || s == "" {
		return s
	}
	style := lipgloss.NewStyle()
	switch role {
	case RolePass:
		style = style.Foreground(lipgloss.Green)
	case RoleFail:
		style = style.Foreground(lipgloss.Red).Bold(true)
	case RoleWarn:
		style = style.Foreground(lipgloss.Yellow)
	case RoleDim:
		style = style.Faint(true)
	case RoleBold:
		style = style.Bold(true)
	case RoleID:
		style = style.Foreground(lipgloss.Cyan)
	case RolePlain:
	}
	return style.Render(s)
}
