"""Names that a card or a port cannot have, because an exported file would not be legal."""

_VERILOG = """
always and assign automatic begin bit buf byte case casex casez cell checker class clocking config const cover
deassign default defparam design disable do edge else end endcase endfunction endmodule enum event export extends
final for force foreach forever fork function generate genvar global if iff import initial inout input inside
instance int integer interface join large let library local localparam logic longint macromodule medium modport
module nand negedge nmos nor not null or output package parameter pmos posedge primitive priority program property
pull0 pull1 pulldown pullup pure rand randc rcmos real realtime ref reg release repeat return rnmos rpmos rtran
sequence shortint shortreal signed small solve specify specparam static string strong0 strong1 struct super supply0
supply1 table tagged task this throw time timeprecision timeunit tran tri tri0 tri1 triand trior trireg type typedef
union unique unsigned use var vectored virtual void wait wand weak0 weak1 while wildcard wire with within wor xnor xor
"""
_VHDL = """
abs access after alias all architecture array assert attribute block body buffer bus component configuration constant
disconnect downto elsif entity exit file function generic group guarded impure in inertial is label linkage literal
loop map mod new next of on open others out port postponed procedure process protected range record register reject
rem report return rol ror select severity shared signal sla sll sra srl subtype then to transport unaffected units
until variable when
"""
_C = "auto break char continue double enum extern float goto long return short sizeof struct switch union void volatile"
_SYSTEMRDL = """
abstract accesstype addressingtype addrmap alias all bit boolean bothedge byte compact component componentwidth
constraint default encode enum external false field fullalign hw inside int internal level longint mem na negedge
nonsticky number onreadtype onwritetype posedge property r rclr ref reg regalign regfile rset ruser rw rw1 shortint
signal string struct sw this true type unsigned w w1 wclr woclr woset wot wr wset wuser wzc wzs wzt
"""
_OURS = "clk rst control interrupt lanes identity fault window barrier top"

RESERVED_WORDS = frozenset((_VERILOG + _VHDL + _SYSTEMRDL + _C + " " + _OURS).split())
