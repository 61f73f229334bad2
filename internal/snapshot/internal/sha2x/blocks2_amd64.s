//go:build !purego

#include "textflag.h"

// Two SHA-256 compressions at once with the SHA extensions. SHA256RNDS2 has a latency of four cycles and a throughput
// of one in two, so a single stream leaves the unit idle half of the time; a second, independent stream fills it.
// Schedule: Intel, "Intel SHA Extensions" (2013), as in the standard library's own single-stream version.

// Rounds that load the message: X0 = message + constants, s0 and s1 are the two halves of the state.
#define LOAD(src, off, k, m, s0, s1) \
	MOVOU off(src), X0 \
	PSHUFB X8, X0 \
	MOVO X0, m \
	PADDD k(AX), X0 \
	SHA256RNDS2 X0, s0, s1 \
	PSHUFD $0x0e, X0, X0 \
	SHA256RNDS2 X0, s1, s0

// Rounds that extend the message schedule: n becomes the next four words.
#define NEXT(k, m, p, n, t, s0, s1) \
	MOVO m, X0 \
	PADDD k(AX), X0 \
	SHA256RNDS2 X0, s0, s1 \
	MOVO m, t \
	PALIGNR $0x04, p, t \
	PADDD t, n \
	SHA256MSG2 m, n \
	PSHUFD $0x0e, X0, X0 \
	SHA256RNDS2 X0, s1, s0

#define LOAD_NEXT(src, off, k, m, p, n, t, s0, s1) \
	MOVOU off(src), X0 \
	PSHUFB X8, X0 \
	MOVO X0, m \
	PADDD k(AX), X0 \
	SHA256RNDS2 X0, s0, s1 \
	MOVO m, t \
	PALIGNR $0x04, p, t \
	PADDD t, n \
	SHA256MSG2 m, n \
	PSHUFD $0x0e, X0, X0 \
	SHA256RNDS2 X0, s1, s0

#define LAST(k, m, s0, s1) \
	MOVO m, X0 \
	PADDD k(AX), X0 \
	SHA256RNDS2 X0, s0, s1 \
	PSHUFD $0x0e, X0, X0 \
	SHA256RNDS2 X0, s1, s0

#define UNPACK(mem, s0, s1, t) \
	MOVOU (mem), s0 \
	MOVOU 16(mem), s1 \
	PSHUFD $0xb1, s0, s0 \
	PSHUFD $0x1b, s1, s1 \
	MOVO s0, t \
	PALIGNR $0x08, s1, s0 \
	PBLENDW $0xf0, t, s1

#define PACK(mem, s0, s1, t) \
	PSHUFD $0x1b, s0, s0 \
	PSHUFD $0xb1, s1, s1 \
	MOVO s0, t \
	PBLENDW $0xf0, s1, s0 \
	PALIGNR $0x08, t, s1 \
	MOVOU s0, (mem) \
	MOVOU s1, 16(mem)

// func blocks2(a, b *[8]uint32, pa, pb *byte, n int)
TEXT ·blocks2(SB), NOSPLIT, $64-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), R8
	MOVQ pa+16(FP), SI
	MOVQ pb+24(FP), R9
	MOVQ n+32(FP), DX
	UNPACK(DI, X1, X2, X7)
	UNPACK(R8, X9, X10, X15)
	MOVOU flip<>(SB), X8
	LEAQ k256<>(SB), AX

loop:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X9, 32(SP)
	MOVOU X10, 48(SP)
	LOAD(SI, 0, 0, X3, X1, X2)
	LOAD(R9, 0, 0, X11, X9, X10)
	LOAD(SI, 16, 16, X4, X1, X2)
	SHA256MSG1 X4, X3
	LOAD(R9, 16, 16, X12, X9, X10)
	SHA256MSG1 X12, X11
	LOAD(SI, 32, 32, X5, X1, X2)
	SHA256MSG1 X5, X4
	LOAD(R9, 32, 32, X13, X9, X10)
	SHA256MSG1 X13, X12
	LOAD_NEXT(SI, 48, 48, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	LOAD_NEXT(R9, 48, 48, X14, X13, X11, X15, X9, X10)
	SHA256MSG1 X14, X13
	NEXT(64, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	NEXT(64, X11, X14, X12, X15, X9, X10)
	SHA256MSG1 X11, X14
	NEXT(80, X4, X3, X5, X7, X1, X2)
	SHA256MSG1 X4, X3
	NEXT(80, X12, X11, X13, X15, X9, X10)
	SHA256MSG1 X12, X11
	NEXT(96, X5, X4, X6, X7, X1, X2)
	SHA256MSG1 X5, X4
	NEXT(96, X13, X12, X14, X15, X9, X10)
	SHA256MSG1 X13, X12
	NEXT(112, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	NEXT(112, X14, X13, X11, X15, X9, X10)
	SHA256MSG1 X14, X13
	NEXT(128, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	NEXT(128, X11, X14, X12, X15, X9, X10)
	SHA256MSG1 X11, X14
	NEXT(144, X4, X3, X5, X7, X1, X2)
	SHA256MSG1 X4, X3
	NEXT(144, X12, X11, X13, X15, X9, X10)
	SHA256MSG1 X12, X11
	NEXT(160, X5, X4, X6, X7, X1, X2)
	SHA256MSG1 X5, X4
	NEXT(160, X13, X12, X14, X15, X9, X10)
	SHA256MSG1 X13, X12
	NEXT(176, X6, X5, X3, X7, X1, X2)
	SHA256MSG1 X6, X5
	NEXT(176, X14, X13, X11, X15, X9, X10)
	SHA256MSG1 X14, X13
	NEXT(192, X3, X6, X4, X7, X1, X2)
	SHA256MSG1 X3, X6
	NEXT(192, X11, X14, X12, X15, X9, X10)
	SHA256MSG1 X11, X14
	NEXT(208, X4, X3, X5, X7, X1, X2)
	NEXT(208, X12, X11, X13, X15, X9, X10)
	NEXT(224, X5, X4, X6, X7, X1, X2)
	NEXT(224, X13, X12, X14, X15, X9, X10)
	LAST(240, X6, X1, X2)
	LAST(240, X14, X9, X10)
	MOVOU 0(SP), X0
	PADDD X0, X1
	MOVOU 16(SP), X0
	PADDD X0, X2
	MOVOU 32(SP), X0
	PADDD X0, X9
	MOVOU 48(SP), X0
	PADDD X0, X10
	ADDQ $64, SI
	ADDQ $64, R9
	DECQ DX
	JNZ loop

	PACK(DI, X1, X2, X7)
	PACK(R8, X9, X10, X15)
	RET

DATA flip<>+0(SB)/8, $0x0405060700010203
DATA flip<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL flip<>(SB), RODATA|NOPTR, $16

DATA k256<>+0(SB)/4, $0x428a2f98
DATA k256<>+4(SB)/4, $0x71374491
DATA k256<>+8(SB)/4, $0xb5c0fbcf
DATA k256<>+12(SB)/4, $0xe9b5dba5
DATA k256<>+16(SB)/4, $0x3956c25b
DATA k256<>+20(SB)/4, $0x59f111f1
DATA k256<>+24(SB)/4, $0x923f82a4
DATA k256<>+28(SB)/4, $0xab1c5ed5
DATA k256<>+32(SB)/4, $0xd807aa98
DATA k256<>+36(SB)/4, $0x12835b01
DATA k256<>+40(SB)/4, $0x243185be
DATA k256<>+44(SB)/4, $0x550c7dc3
DATA k256<>+48(SB)/4, $0x72be5d74
DATA k256<>+52(SB)/4, $0x80deb1fe
DATA k256<>+56(SB)/4, $0x9bdc06a7
DATA k256<>+60(SB)/4, $0xc19bf174
DATA k256<>+64(SB)/4, $0xe49b69c1
DATA k256<>+68(SB)/4, $0xefbe4786
DATA k256<>+72(SB)/4, $0x0fc19dc6
DATA k256<>+76(SB)/4, $0x240ca1cc
DATA k256<>+80(SB)/4, $0x2de92c6f
DATA k256<>+84(SB)/4, $0x4a7484aa
DATA k256<>+88(SB)/4, $0x5cb0a9dc
DATA k256<>+92(SB)/4, $0x76f988da
DATA k256<>+96(SB)/4, $0x983e5152
DATA k256<>+100(SB)/4, $0xa831c66d
DATA k256<>+104(SB)/4, $0xb00327c8
DATA k256<>+108(SB)/4, $0xbf597fc7
DATA k256<>+112(SB)/4, $0xc6e00bf3
DATA k256<>+116(SB)/4, $0xd5a79147
DATA k256<>+120(SB)/4, $0x06ca6351
DATA k256<>+124(SB)/4, $0x14292967
DATA k256<>+128(SB)/4, $0x27b70a85
DATA k256<>+132(SB)/4, $0x2e1b2138
DATA k256<>+136(SB)/4, $0x4d2c6dfc
DATA k256<>+140(SB)/4, $0x53380d13
DATA k256<>+144(SB)/4, $0x650a7354
DATA k256<>+148(SB)/4, $0x766a0abb
DATA k256<>+152(SB)/4, $0x81c2c92e
DATA k256<>+156(SB)/4, $0x92722c85
DATA k256<>+160(SB)/4, $0xa2bfe8a1
DATA k256<>+164(SB)/4, $0xa81a664b
DATA k256<>+168(SB)/4, $0xc24b8b70
DATA k256<>+172(SB)/4, $0xc76c51a3
DATA k256<>+176(SB)/4, $0xd192e819
DATA k256<>+180(SB)/4, $0xd6990624
DATA k256<>+184(SB)/4, $0xf40e3585
DATA k256<>+188(SB)/4, $0x106aa070
DATA k256<>+192(SB)/4, $0x19a4c116
DATA k256<>+196(SB)/4, $0x1e376c08
DATA k256<>+200(SB)/4, $0x2748774c
DATA k256<>+204(SB)/4, $0x34b0bcb5
DATA k256<>+208(SB)/4, $0x391c0cb3
DATA k256<>+212(SB)/4, $0x4ed8aa4a
DATA k256<>+216(SB)/4, $0x5b9cca4f
DATA k256<>+220(SB)/4, $0x682e6ff3
DATA k256<>+224(SB)/4, $0x748f82ee
DATA k256<>+228(SB)/4, $0x78a5636f
DATA k256<>+232(SB)/4, $0x84c87814
DATA k256<>+236(SB)/4, $0x8cc70208
DATA k256<>+240(SB)/4, $0x90befffa
DATA k256<>+244(SB)/4, $0xa4506ceb
DATA k256<>+248(SB)/4, $0xbef9a3f7
DATA k256<>+252(SB)/4, $0xc67178f2
GLOBL k256<>(SB), RODATA|NOPTR, $256

// func leaf7() (ebx uint32)
TEXT ·leaf7(SB), NOSPLIT, $0-4
	MOVL $0, AX
	CPUID
	CMPL AX, $7
	JLT none
	MOVL $7, AX
	MOVL $0, CX
	CPUID
	MOVL BX, ebx+0(FP)
	RET
none:
	MOVL $0, ebx+0(FP)
	RET
