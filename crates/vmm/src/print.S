# The guest that prints: 16 bytes for each look at LSR and no interrupts, as Linux' console writes a line.
#
# It is put and entered as guest.S is: see there for how addresses are written. EBX = how many bytes, CX = 0 to write them
# with `outb`, or 1 with `rep outsb`.
#
# Every label starts with p_, because the names in an assembly file are the whole program's.

    .pushsection .rodata.vuart_print, "a", @progbits
    .code16

    .equ P_THR, 0x3f8
    .equ P_IER, 0x3f9
    .equ P_FCR, 0x3fa
    .equ P_LCR, 0x3fb
    .equ P_MCR, 0x3fc
    .equ P_LSR, 0x3fd
    .equ P_THRE, 0x20
    .equ P_TEMT, 0x40
    .equ P_FIFO, 16
    .equ P_PATTERN, 94              # the graphic characters '!'..'~'

    .macro p_out port, value
    movw $\port, %dx
    movb $\value, %al
    outb %al, %dx
    .endm

    .globl vuart_print_start
    .hidden vuart_print_start
    .globl vuart_print_end
    .hidden vuart_print_end

vuart_print_start:
p_0:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movw %cx, %bp                   # how to write

    p_out P_IER, 0x00
    p_out P_LCR, 0x03               # 8N1
    p_out P_FCR, 0x07               # FIFOs on, and empty
    p_out P_MCR, 0x03               # DTR, RTS

    xorw %di, %di                   # the next character's place in the pattern
p_burst:
    testl %ebx, %ebx
    jz p_end
    movw $P_LSR, %dx
1:  inb %dx, %al
    testb $P_THRE, %al
    jz 1b

    movl $P_FIFO, %ecx              # ECX = the smaller of what is left and what the FIFO takes
    cmpl %ecx, %ebx
    jae 2f
    movl %ebx, %ecx
2:  subl %ecx, %ebx

    movw %di, %si                   # SI = the first of them, which has the others behind it
    addw $(p_pattern - p_0), %si
    addw %cx, %di
    cmpw $P_PATTERN, %di
    jb 3f
    subw $P_PATTERN, %di

3:  movw $P_THR, %dx
    testw %bp, %bp
    jnz 5f
4:  lodsb
    outb %al, %dx
    loop 4b
    jmp p_burst
5:  rep outsb
    jmp p_burst

p_end:
    movw $P_LSR, %dx
1:  inb %dx, %al
    testb $P_TEMT, %al
    jz 1b
    movb $0xfe, %al                 # the keyboard controller pulses the reset line
    outb %al, $0x64
2:  hlt
    jmp 2b

# The pattern, and as much of it again as a burst may need that begins at its last character.
p_pattern:
    .set P_character, 0
    .rept P_PATTERN + P_FIFO
    .byte 0x21 + P_character % P_PATTERN
    .set P_character, P_character + 1
    .endr
vuart_print_end:

    .purgem p_out
    .code64
    .popsection
