# The guest that prints. It writes 16 bytes after each look at LSR and uses no interrupts, as Linux' console does.
#
# It is loaded and entered like guest.S, which explains how addresses are written. EBX = the number of bytes. CX = 0 to
# write them with `outb`, 1 to write them with `rep outsb`.
#
# Every label starts with p_, because a label in an assembly file is visible in the whole program.

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

    xorw %di, %di                   # the position of the next character in the pattern
p_burst:
    testl %ebx, %ebx
    jz p_end
    movw $P_LSR, %dx
1:  inb %dx, %al
    testb $P_THRE, %al
    jz 1b

    movl $P_FIFO, %ecx              # ECX = the smaller of the rest and the FIFO's size
    cmpl %ecx, %ebx
    jae 2f
    movl %ebx, %ecx
2:  subl %ecx, %ebx

    movw %di, %si                   # SI = the first of them; the others follow it
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
    movw $0x604, %dx                # ACPI's power management switches the machine off
    movw $0x2000, %ax
    outw %ax, %dx
2:  hlt
    jmp 2b

# The pattern, followed by its beginning again, for a burst that starts near its end.
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
