//go:build !purego

package sha2x

import "golang.org/x/sys/cpu"

// blocks2 compresses n (at least 1) blocks of 64 bytes at pa into a, and n at pb into b.
//
//go:noescape
func blocks2(a, b *[8]uint32, pa, pb *byte, n int)

// leaf7 returns EBX of CPUID leaf 7, 0 where there is no such leaf.
func leaf7() (ebx uint32)

const shaExtensions = 1 << 29 // Intel SDM, table 3-8

// supported says whether this processor has the instructions that blocks2 uses.
func supported() bool { return cpu.X86.HasSSE41 && leaf7()&shaExtensions != 0 }
